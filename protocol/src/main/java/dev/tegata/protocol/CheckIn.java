// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.protocol;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.SerialNumber;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/// What a device says when it checks in. [CheckInCodec] reads and writes it.
///
/// @param fleet the id that the firmware carries
/// @param firmware what runs on the device
/// @param bootCount how often it has started; never goes back
/// @param certificates the serial numbers of the operational certificates that it holds
/// @param trustAnchors the SHA-256 digests of the DER certificates that it trusts
/// @param lastSequence the sequence number of the last order that it accepted, 0 where there was none
/// @param mark the mark of the last answer that it heard; by it two devices with one identity are told
///     apart
/// @param algorithms of signatures that the device can verify, such as `ec-p256` and `ml-dsa-65`; empty
/// where it does not say
/// @param results of orders; each is told again and again until the server no longer sends the order
public record CheckIn(
        String fleet,
        List<Component> firmware,
        long bootCount,
        List<SerialNumber> certificates,
        List<Bytes> trustAnchors,
        long lastSequence,
        Optional<Bytes> mark,
        List<Result> results,
        Optional<Evidence> evidence,
        List<String> algorithms) {
    /// The largest body of a check-in.
    public static final int MAX_SIZE = 128 * 1024;

    public static final int MAX_LIST = 16;

    public CheckIn {
        firmware = List.copyOf(firmware);
        certificates = List.copyOf(certificates);
        trustAnchors = List.copyOf(trustAnchors);
        results = List.copyOf(results);
        algorithms = List.copyOf(algorithms);
        CheckInCodec.requireSize("algorithms", algorithms);
        algorithms.forEach(algorithm -> CheckInCodec.requireText("each of algorithms", algorithm, 1, 32));
        CheckInCodec.requireText("fleet", fleet, 1, 64);
        CheckInCodec.requireSize("firmware", firmware);
        CheckInCodec.requireSize("certificates", certificates);
        CheckInCodec.requireSize("trustAnchors", trustAnchors);
        CheckInCodec.requireSize("results", results);
        CheckInCodec.require(bootCount >= 0, "bootCount must not be negative");
        CheckInCodec.require(lastSequence >= 0, "lastSequence must not be negative");
        for (Bytes anchor : trustAnchors) {
            CheckInCodec.require(anchor.size() == 32, "each of trustAnchors must have 32 bytes");
        }
        mark.ifPresent(
                bytes -> CheckInCodec.require(!bytes.isEmpty() && bytes.size() <= 64, "mark must have 1 to 64 bytes"));
    }

    /// Of a device that does not say what it can verify.
    public CheckIn(
            String fleet,
            List<Component> firmware,
            long bootCount,
            List<SerialNumber> certificates,
            List<Bytes> trustAnchors,
            long lastSequence,
            Optional<Bytes> mark,
            List<Result> results,
            Optional<Evidence> evidence) {
        this(fleet, firmware, bootCount, certificates, trustAnchors, lastSequence, mark, results, evidence, List.of());
    }

    /// A part of the firmware.
    ///
    /// @param digest of its image
    public record Component(String component, String version, Optional<Bytes> digest) {
        public Component {
            CheckInCodec.requireText("component", component, 1, 64);
            CheckInCodec.requireText("version", version, 1, 64);
            digest.ifPresent(bytes ->
                    CheckInCodec.require(bytes.size() >= 20 && bytes.size() <= 64, "digest must have 20 to 64 bytes"));
        }
    }

    public enum Status {
        DONE,
        /// It was tried, and failed.
        FAILED,
        /// It was not tried.
        REFUSED
    }

    /// What became of an order.
    ///
    /// @param detail for a person; empty where there is nothing to say
    /// @param receipt the signed proof, where the order asks for one
    public record Result(UUID order, Status status, String detail, Optional<Bytes> receipt) {
        public static final int MAX_RECEIPT = 16 * 1024;

        public Result {
            CheckInCodec.requireText("detail", detail, 0, 500);
            receipt.ifPresent(bytes -> CheckInCodec.require(
                    bytes.size() <= MAX_RECEIPT, "receipt must have at most " + MAX_RECEIPT + " bytes"));
        }
    }

    /// Evidence that was asked for, as RFC 9334 has it.
    ///
    /// @param nonce the one of the order
    public record Evidence(String mediaType, Bytes value, Bytes nonce) {
        public static final int MAX_VALUE = 64 * 1024;

        public Evidence {
            CheckInCodec.requireText("mediaType", mediaType, 1, 128);
            CheckInCodec.require(value.size() <= MAX_VALUE, "value must have at most " + MAX_VALUE + " bytes");
            CheckInCodec.require(
                    nonce.size() >= OrderContent.MIN_NONCE && nonce.size() <= OrderContent.MAX_NONCE,
                    "nonce must have 8 to 64 bytes");
        }
    }
}
