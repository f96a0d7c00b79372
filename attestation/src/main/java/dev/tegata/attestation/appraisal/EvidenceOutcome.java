// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.appraisal;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.corim.Endorsements;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.Measurement;
import dev.tegata.pki.Bytes;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// What became of one attester's evidence, under the label that it gets in the result.
public sealed interface EvidenceOutcome {
    String label();

    /// The evidence is genuine and fresh. This is all that later appraisals need: it can be stored and
    /// judged again without the device.
    ///
    /// `scheme` is the name that policies use. `claims` is what the attester said, under names.
    /// `authorities` are the fingerprints of the keys that said so, `trustedBy` says for people why they
    /// are believed. `attestedKey` is a public key (SubjectPublicKeyInfo) that the evidence proves, and
    /// `certified` are the fingerprints of the keys in the certificates that came with it, the signer's
    /// first.
    record Verified(
            String label,
            String scheme,
            List<Endorsements.Claim> measured,
            Environment environment,
            Cbor.MapItem claims,
            String trustedBy,
            @Nullable Bytes nonce,
            @Nullable Bytes attestedKey,
            List<Bytes> certified)
            implements EvidenceOutcome {
        /// The fingerprints of the keys that the evidence has shown or proven.
        public Set<Bytes> keys() {
            Set<Bytes> keys = new LinkedHashSet<>(certified);
            measured.forEach(claim -> keys.addAll(claim.authorities()));
            if (attestedKey != null) {
                keys.add(attestedKey.sha256());
            }
            return keys;
        }

        /// The stored form.
        public Bytes encode() {
            List<Cbor> claimed = new ArrayList<>();
            for (Endorsements.Claim claim : measured) {
                claimed.add(Cbor.array(
                        claim.environment().toCbor(),
                        claim.measurement().toCbor(),
                        new Cbor.ArrayItem(
                                claim.authorities().stream().map(Cbor::of).toList())));
            }
            return Cbor.map()
                    .put(1, Cbor.of(label))
                    .put(2, Cbor.of(scheme))
                    .put(3, new Cbor.ArrayItem(claimed))
                    .put(4, environment.toCbor())
                    .put(5, claims)
                    .put(6, Cbor.of(trustedBy))
                    .put(7, nonce == null ? null : Cbor.of(nonce))
                    .put(8, attestedKey == null ? null : Cbor.of(attestedKey))
                    .put(
                            9,
                            certified.isEmpty()
                                    ? null
                                    : new Cbor.ArrayItem(
                                            certified.stream().map(Cbor::of).toList()))
                    .build()
                    .encode();
        }

        /// Reads the stored form.
        public static Verified parse(Bytes encoded) throws MalformedException {
            Cbor.MapItem map = Cbor.read(encoded, CborLimits.DOCUMENT).mapping("stored evidence");
            List<Endorsements.Claim> measured = new ArrayList<>();
            for (Cbor item : map.require(3, "the measured claims").array("the measured claims")) {
                List<Cbor> parts = item.array("a measured claim", 3, 3);
                List<Bytes> authorities = new ArrayList<>();
                for (Cbor authority : parts.get(2).array("the authorities")) {
                    authorities.add(authority.bytes("an authority"));
                }
                measured.add(new Endorsements.Claim(
                        Environment.of(parts.get(0)), Measurement.of(parts.get(1)), authorities));
            }
            Cbor nonce = map.get(7);
            Cbor attestedKey = map.get(8);
            List<Bytes> certified = new ArrayList<>();
            Cbor keys = map.get(9);
            if (keys != null) {
                for (Cbor key : keys.array("the certified keys")) {
                    certified.add(key.bytes("a certified key"));
                }
            }
            return new Verified(
                    map.require(1, "the label").text("the label"),
                    map.require(2, "the scheme").text("the scheme"),
                    measured,
                    Environment.of(map.require(4, "the environment")),
                    map.require(5, "the claims").mapping("the claims"),
                    map.require(6, "the trust").text("the trust"),
                    nonce == null ? null : nonce.bytes("the nonce"),
                    attestedKey == null ? null : attestedKey.bytes("the attested key"),
                    certified);
        }
    }

    /// The evidence proves nothing.
    record Rejected(String label, Reason reason, String sentence) implements EvidenceOutcome {
        /// Whether it is a part of genuine evidence of which nothing is known, not even anything bad. What
        /// to make of it is for the policy to say.
        boolean isUnknownPart() {
            boolean unknown = reason == Reason.UNSUPPORTED_FORMAT || reason == Reason.MISSING_CLAIMS;
            return unknown && label.indexOf('/') >= 0;
        }
    }

    /// Why evidence proves nothing; stable names.
    enum Reason {
        UNSUPPORTED_FORMAT("unsupported-format", "send evidence in one of the formats that discovery lists"),
        MALFORMED("malformed", "correct what the device sends: the reason says where it breaks its format's rules"),
        MISSING_CLAIMS("missing-claims", "send the token in a detached bundle, with these claims beside it"),
        UNKNOWN_DEVICE(
                "unknown-device",
                "make the key known: claim the device, activate its attestation key, submit a manifest that endorses"
                        + " it, or trust the CA of its certificate"),
        BAD_SIGNATURE("bad-signature", "sign with the key that is known for this device, over the bytes that are sent"),
        WRONG_NONCE("wrong-nonce", "ask for a nonce and have the device make new evidence with it"),
        UNTRUSTED_CERTIFICATE(
                "untrusted-certificate", "send the whole chain, and trust its CA (tegata trust add) if it is yours"),
        REVOKED_CERTIFICATE("revoked-certificate", "give the device a new attestation certificate"),
        UNKNOWN_REVOCATION("unknown-revocation", "bring in a current revocation list of the CA (tegata trust crl)"),
        WRONG_DEVICE("wrong-device", "send a device's evidence under its own name and certificate only"),
        EXPIRED("expired", "send evidence whose time has come and is not over; check the device's clock");

        private final String code;
        private final String remedy;

        Reason(String code, String remedy) {
            this.code = code;
            this.remedy = remedy;
        }

        /// What would make such evidence prove something, for people.
        public String remedy() {
            return remedy;
        }

        /// The name in results and APIs.
        public String code() {
            return code;
        }
    }
}
