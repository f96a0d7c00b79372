// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.util.HexFormat;
import java.util.List;

/// Signatures that must verify false, of the kinds that broke verifiers in the past.
final class BadSignatures {
    private BadSignatures() {}

    /// @param good a P-256 signature over the data to be verified
    /// @param order the order of P-256 in hex
    static List<String> ecdsa(byte[] good, String order) {
        String hex = HexFormat.of().formatHex(good);
        byte[] raw = EcdsaSignature.rawOf(good, KeyAlgorithm.EC_P256);
        String integers = hex.substring(4);
        String one = "020101";
        String zero = "020100";
        String n = "022100" + order;
        return List.of(
                "",
                "30",
                "3000",
                "0500",
                sequence(zero + zero),
                sequence(zero + one),
                sequence(one + zero),
                sequence(one + one),
                sequence(n + n),
                sequence(n + one),
                sequence(zero + n),
                sequence("0200" + "0200"),
                sequence("0201ff" + "0201ff"),
                sequence("090380fe01" + "090380fe01"), // REAL
                sequence(one),
                sequence(integers + "0500"),
                hex + "00",
                hex + "0500",
                "3081" + hex.substring(2), // length in the long form
                "308200" + hex.substring(2),
                "3080" + integers + "0000", // indefinite length
                sequence("0281" + integers.substring(2)),
                sequence("02820021" + integers.substring(4)),
                "31" + hex.substring(2),
                hex.substring(0, hex.length() - 2),
                HexFormat.of().formatHex(raw),
                HexFormat.of().formatHex(new byte[64]),
                "3084ffffffff" + integers);
    }

    private static String sequence(String content) {
        return "30" + HexFormat.of().toHexDigits((byte) (content.length() / 2)) + content;
    }
}
