// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.endorsement;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.corim.Corim;
import dev.tegata.attestation.corim.Tag;
import dev.tegata.attestation.corim.Triple;
import dev.tegata.attestation.json.Json;
import dev.tegata.pki.Bytes;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// A manifest as people read it: JSON with its statements by kind. Maps keep the numbers that the format
/// gives their keys, byte strings are base64url.
public final class StatementText {
    /// Longer manifests are cut off here; the document itself is there to read.
    private static final int MOST = 1_000;

    private StatementText() {}

    /// @throws MalformedException where the document is no manifest
    public static ObjectNode of(Bytes document) throws MalformedException {
        Corim corim = Submission.open(document);
        ObjectNode text = Json.object();
        ArrayNode tags = text.putArray("tags");
        int left = MOST;
        for (Tag tag : corim.tags()) {
            ObjectNode each = tags.addObject();
            switch (tag) {
                case Tag.Comid comid -> {
                    each.put("comid", comid.identity().name());
                    each.put("version", comid.identity().version());
                    ArrayNode statements = each.putArray("statements");
                    for (Triple triple : comid.triples()) {
                        if (left-- > 0) {
                            statements.addObject().set(kind(triple), Json.of(triple.toCbor()));
                        }
                    }
                }
                case Tag.Cotl cotl -> {
                    each.put("cotl", cotl.identity().name());
                    each.put("version", cotl.identity().version());
                    each.put("notAfter", cotl.validity().notAfter().toString());
                    ArrayNode activated = each.putArray("activates");
                    cotl.activated()
                            .forEach(identity -> activated
                                    .addObject()
                                    .put("name", identity.name())
                                    .put("version", identity.version()));
                }
                case Tag.Opaque(long number, Bytes content) ->
                    each.put("tag", number).put("bytes", content.size());
            }
        }
        text.put("complete", left >= 0);
        return text;
    }

    private static String kind(Triple triple) {
        return switch (triple) {
            case Triple.Reference _ -> "reference";
            case Triple.Endorsed _ -> "endorsed";
            case Triple.Keys keys -> keys.attestation() ? "attestationKeys" : "identityKeys";
            case Triple.Conditional _ -> "conditional";
            case Triple.Series _ -> "conditionalSeries";
            case Triple.Other _ -> "other";
        };
    }
}
