// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import java.math.BigInteger;

/// Compares version texts part by part: numbers as numbers, a missing part as zero, and what follows a hyphen as
/// older than without it (as semantic versions have it).
public final class Versions {
    private Versions() {}

    /// Negative, zero or positive as `left` is older than, the same as or newer than `right`.
    public static int compare(String left, String right) {
        String[] leftHalves = left.split("-", 2);
        String[] rightHalves = right.split("-", 2);
        int order = compareParts(leftHalves[0].split("\\."), rightHalves[0].split("\\."));
        if (order != 0 || leftHalves.length != rightHalves.length) {
            return order != 0 ? order : Integer.compare(rightHalves.length, leftHalves.length);
        }
        return leftHalves.length == 1 ? 0 : compareParts(leftHalves[1].split("\\."), rightHalves[1].split("\\."));
    }

    private static int compareParts(String[] left, String[] right) {
        for (int i = 0; i < Math.max(left.length, right.length); i++) {
            int order = comparePart(i < left.length ? left[i] : "0", i < right.length ? right[i] : "0");
            if (order != 0) {
                return order;
            }
        }
        return 0;
    }

    private static int comparePart(String left, String right) {
        boolean numbers = left.matches("[0-9]{1,40}") && right.matches("[0-9]{1,40}");
        return Integer.signum(numbers ? new BigInteger(left).compareTo(new BigInteger(right)) : left.compareTo(right));
    }
}
