// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.health;

import java.util.Locale;

/// What can be found. Codes are stable; `call` is the one API call that mends it, `{id}` the id in the
/// finding's subject.
public enum FindingCode {
    AUTHORITY_EXPIRED(Severity.CRITICAL, "Replace the authority; nothing below it is valid.", "POST /api/v1/rollovers"),
    AUTHORITY_ENDS_SOON(
            Severity.WARNING, "Begin a rollover while there is time for each device.", "POST /api/v1/rollovers"),
    AUTHORITY_ALGORITHM(Severity.WARNING, "Roll over to a key of a stronger kind.", "POST /api/v1/rollovers"),
    AUTHORITY_KEY_OLD(Severity.NOTICE, "Plan a rollover: the key is in use for long.", "POST /api/v1/rollovers"),
    AUTHORITY_OUTLIVES_ISSUER(Severity.WARNING, "Roll the issuer over before it ends.", "POST /api/v1/rollovers"),
    AUTHORITY_NAME_SHARED(
            Severity.WARNING,
            "Two authorities have one name and different keys, and no rollover joins them: replace one.",
            "POST /api/v1/rollovers"),
    AUTHORITY_PATH_LENGTH(
            Severity.CRITICAL, "Replace the authority: its issuer has no room for it.", "POST /api/v1/rollovers"),
    CRL_MISSING(Severity.CRITICAL, "Publish the lists.", "POST /api/v1/authorities/{id}/crl"),
    CRL_STALE(Severity.CRITICAL, "Publish the lists; see why they were not.", "POST /api/v1/authorities/{id}/crl"),
    RESPONDER_STALE(
            Severity.WARNING,
            "See the server's log: the responder's certificate was not renewed.",
            "GET /api/v1/authorities/{id}/status"),
    CERTIFICATE_EXPIRED(
            Severity.CRITICAL, "Have the devices come back with their birth keys.", "POST /api/v1/devices/bulk"),
    CERTIFICATE_ENDS_SOON(Severity.WARNING, "Order a renewal.", "POST /api/v1/devices/bulk"),
    CERTIFICATE_ALGORITHM(Severity.WARNING, "Order a renewal with a new key.", "POST /api/v1/devices/bulk"),
    CERTIFICATE_OUTLIVES_ISSUER(Severity.WARNING, "Roll the authority over.", "POST /api/v1/rollovers"),
    CERTIFICATE_WITHOUT_STATUS(
            Severity.NOTICE,
            "Let the fleet's profile write the usual addresses, and order a renewal.",
            "POST /api/v1/devices/bulk"),
    CERTIFICATE_NOT_HELD(
            Severity.WARNING,
            "The device says that it holds another certificate: order a renewal.",
            "POST /api/v1/devices/bulk"),
    ROOT_NOT_TRUSTED(
            Severity.CRITICAL,
            "The device says that it does not trust its own root: order new trust anchors.",
            "POST /api/v1/devices/{device}/orders"),
    KEY_SHARED(
            Severity.CRITICAL,
            "Several devices have one key: revoke them, and see where the key came from.",
            "POST /api/v1/devices/bulk");

    private final Severity severity;
    private final String next;
    private final String call;

    FindingCode(Severity severity, String next, String call) {
        this.severity = severity;
        this.next = next;
        this.call = call;
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

    /// The API call that does it.
    public String call() {
        return call;
    }

    /// The name in the API: `crl-stale`.
    public String id() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
