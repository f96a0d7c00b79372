// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.health;

import dev.tegata.platform.Texts;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// What can be found. Codes are stable.
public enum FindingCode {
    AUTHORITY_EXPIRED(Severity.CRITICAL, "Replace the authority; nothing below it is valid.", Remedy.ROLL_OVER),
    AUTHORITY_ENDS_SOON(Severity.WARNING, "Begin a rollover while there is time for each device.", Remedy.ROLL_OVER),
    AUTHORITY_ALGORITHM(Severity.WARNING, "Roll over to a key of a stronger kind.", Remedy.ROLL_OVER),
    AUTHORITY_KEY_OLD(Severity.NOTICE, "Plan a rollover: the key is in use for long.", Remedy.ROLL_OVER),
    AUTHORITY_OUTLIVES_ISSUER(Severity.WARNING, "Roll the issuer over before it ends.", Remedy.ROLL_OVER),
    AUTHORITY_NAME_SHARED(
            Severity.WARNING,
            "Two authorities have one name and different keys, and no rollover joins them: replace one.",
            Remedy.ROLL_OVER),
    AUTHORITY_PATH_LENGTH(Severity.CRITICAL, "Replace the authority: its issuer has no room for it.", Remedy.ROLL_OVER),
    CRL_MISSING(Severity.CRITICAL, "Publish the lists.", Remedy.PUBLISH),
    CRL_STALE(Severity.CRITICAL, "Publish the lists; see why they were not.", Remedy.PUBLISH),
    STATUS_UNREACHABLE(
            Severity.CRITICAL,
            "Publish the lists, and see why the address in the certificates does not answer.",
            Remedy.PUBLISH),
    RESPONDER_STALE(
            Severity.WARNING,
            "Renew the responder's certificate; the server's log says why it was not.",
            Remedy.PUBLISH),
    CERTIFICATE_EXPIRED(Severity.CRITICAL, "Have the devices come back with their birth keys.", Remedy.RENEW),
    CERTIFICATE_ENDS_SOON(Severity.WARNING, "Order a renewal.", Remedy.RENEW),
    CERTIFICATE_ALGORITHM(Severity.WARNING, "Order a renewal with a new key.", Remedy.NEW_KEY),
    CERTIFICATE_OUTLIVES_ISSUER(Severity.WARNING, "Roll the authority over.", Remedy.ROLL_OVER),
    CERTIFICATE_WITHOUT_STATUS(
            Severity.NOTICE, "Let the fleet's profile write the usual addresses, and order a renewal.", Remedy.RENEW),
    CERTIFICATE_NOT_HELD(
            Severity.WARNING, "The device says that it holds another certificate: order a renewal.", Remedy.RENEW),
    ROOT_NOT_TRUSTED(
            Severity.CRITICAL,
            "The device says that it does not trust its own root: order a renewal, which brings the roots with it.",
            Remedy.RENEW),
    KEY_SHARED(
            Severity.CRITICAL,
            "Several devices have one key: revoke them, and see where the key came from.",
            Remedy.REVOKE),
    VAULT_FAILING(
            Severity.CRITICAL,
            "Have the operator mend the vault (tegata vault show, and the server's log): nothing is issued, and lists"
                    + " and answers run out.",
            Remedy.BY_HAND);

    private final Severity severity;
    private final String next;
    private final Remedy remedy;

    FindingCode(Severity severity, String next, Remedy remedy) {
        this.severity = severity;
        this.next = next;
        this.remedy = remedy;
    }

    /// How bad it is.
    public enum Severity {
        NOTICE,
        WARNING,
        CRITICAL
    }

    public Severity severity() {
        return severity;
    }

    /// What to do, in a sentence.
    public String next() {
        return next;
    }

    /// What mends it.
    private enum Remedy {
        ROLL_OVER,
        PUBLISH,
        RENEW,
        NEW_KEY,
        REVOKE,
        BY_HAND
    }

    /// Whether it is about lists, answers and their addresses.
    boolean isOfStatus() {
        return remedy == Remedy.PUBLISH;
    }

    /// A request of the API.
    ///
    /// @param body JSON; null where there is none
    public record Call(String method, String path, @Nullable Map<String, Object> body) {}

    /// The one request that mends it, for the devices that it affects where it affects some. A rollover is
    /// only prepared by it: no device is told anything yet. Null where no request does.
    public @Nullable Call fix(String authority) {
        return switch (remedy) {
            case ROLL_OVER -> new Call("POST", "/api/v1/rollovers", Map.of("authority", authority));
            case PUBLISH -> new Call("POST", "/api/v1/authorities/" + authority + "/crl", null);
            case RENEW -> bulk(authority, Map.of("action", "renew"));
            case NEW_KEY -> bulk(authority, Map.of("action", "renew", "newKey", true));
            case REVOKE -> bulk(authority, Map.of("action", "revoke", "revocationReason", "keyCompromise"));
            case BY_HAND -> null;
        };
    }

    private Call bulk(String authority, Map<String, Object> action) {
        Map<String, Object> body = new LinkedHashMap<>(action);
        body.put("reason", "finding " + id());
        body.put("filter", Map.of("finding", id(), "authority", authority));
        return new Call("POST", "/api/v1/devices/bulk", body);
    }

    /// The name in the API: `crl-stale`.
    public String id() {
        return Texts.word(this);
    }
}
