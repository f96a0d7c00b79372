// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.audit;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/// How a chain is computed: pure, and the same in the log and in the verifier.
///
/// A record is one line of JSON whose members stand in one fixed order, those of `detail` sorted by name. Its hash is
/// SHA-256(previous hash || record in UTF-8); the first record follows a hash of the tenant's id, so that no chain can
/// pass for another tenant's.
final class AuditChain {
    /// What the file of an export says it is.
    static final String FORMAT = "tegata-audit-v1";

    static final String BEGUN = "audit.begun";

    private static final JsonFactory JSON = new JsonFactory();

    private AuditChain() {}

    /// The place in a chain after which the next record stands.
    record Head(long sequence, Bytes hash) {
        /// The head after `record`, which must be the next one.
        Head after(String record) {
            return new Head(sequence + 1, Bytes.sha256(hash.toArray(), record.getBytes(StandardCharsets.UTF_8)));
        }
    }

    static Head start(TenantId tenant) {
        return new Head(
                0,
                Bytes.of((FORMAT + " " + tenant).getBytes(StandardCharsets.UTF_8))
                        .sha256());
    }

    /// The first event of a chain: says which key signs its checkpoints.
    static AuditEvent begun(TenantId tenant, Actor actor, Bytes publicKey) {
        return new AuditEvent(actor, BEGUN, "tenant:" + tenant, Map.of("publicKey", publicKey.base64()));
    }

    /// The record for `event` directly after `head`.
    static String record(Head head, Instant time, AuditEvent event) {
        StringWriter text = new StringWriter(512);
        try (JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), text)) {
            json.writeStartObject();
            json.writeNumberProperty("sequence", head.sequence() + 1);
            json.writeStringProperty("time", time.toString());
            json.writeStringProperty("actor", event.actor().toString());
            json.writeStringProperty("action", event.action());
            json.writeStringProperty("subject", event.subject());
            json.writeName("detail");
            write(json, event.detail());
            json.writeStringProperty("previous", head.hash().hex());
            json.writeEndObject();
        }
        // Half a surrogate pair has no UTF-8: replaced here, what is stored is what was hashed.
        return new String(text.toString().getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
    }

    private static void write(JsonGenerator json, Object value) {
        switch (value) {
            case Map<?, ?> map -> {
                json.writeStartObject();
                Map<String, Object> sorted = new TreeMap<>();
                map.forEach((name, member) -> {
                    if (member != null) {
                        sorted.put(name.toString(), member);
                    }
                });
                sorted.forEach((name, member) -> {
                    json.writeName(name);
                    write(json, member);
                });
                json.writeEndObject();
            }
            case List<?> list -> {
                json.writeStartArray();
                list.forEach(member -> write(json, member));
                json.writeEndArray();
            }
            case Integer number -> json.writeNumber(number);
            case Long number -> json.writeNumber(number);
            case Boolean flag -> json.writeBoolean(flag);
            default -> json.writeString(value.toString());
        }
    }
}
