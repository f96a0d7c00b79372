// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.result;

import dev.tegata.attestation.MalformedException;

/// How far an attester may be trusted, from best to worst after `NONE`, which says nothing (draft-ietf-rats-ar4si
/// §3.2).
public enum Tier {
    NONE(0, "none"),
    AFFIRMING(2, "affirming"),
    WARNING(32, "warning"),
    CONTRAINDICATED(96, "contraindicated");

    private final int number;
    private final String word;

    Tier(int number, String word) {
        this.number = number;
        this.word = word;
    }

    /// The value in CBOR.
    public int number() {
        return number;
    }

    /// The value in JSON.
    public String word() {
        return word;
    }

    /// The tier that a value of a trustworthiness claim is in.
    public static Tier ofValue(int value) {
        int distance = value < 0 ? -value - 1 : value;
        if (distance >= 96) {
            return CONTRAINDICATED;
        }
        if (distance >= 32) {
            return WARNING;
        }
        return value >= -1 && value <= 1 ? NONE : AFFIRMING;
    }

    static Tier of(long number) throws MalformedException {
        for (Tier tier : values()) {
            if (tier.number == number) {
                return tier;
            }
        }
        throw new MalformedException("the status " + number + " is not defined");
    }

    static Tier of(String word) throws MalformedException {
        for (Tier tier : values()) {
            if (tier.word.equals(word)) {
                return tier;
            }
        }
        throw new MalformedException("the status '" + word + "' is not defined");
    }
}
