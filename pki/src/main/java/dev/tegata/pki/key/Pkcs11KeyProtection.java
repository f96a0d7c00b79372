// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.util.ArrayList;
import java.util.List;

/// What a token says of the protection of a private key (PKCS#11 v2.40 §4.9).
record Pkcs11KeyProtection(
        boolean token,
        boolean privateObject,
        boolean sensitive,
        boolean extractable,
        boolean alwaysSensitive,
        boolean neverExtractable) {

    static Pkcs11KeyProtection read(Cryptoki cryptoki, long session, long key) throws CryptokiException {
        return new Pkcs11KeyProtection(
                cryptoki.flag(session, key, Cryptoki.TOKEN),
                cryptoki.flag(session, key, Cryptoki.PRIVATE),
                cryptoki.flag(session, key, Cryptoki.SENSITIVE),
                cryptoki.flag(session, key, Cryptoki.EXTRACTABLE),
                cryptoki.flag(session, key, Cryptoki.ALWAYS_SENSITIVE),
                cryptoki.flag(session, key, Cryptoki.NEVER_EXTRACTABLE));
    }

    /// What is not as it was asked for, by the attributes that every key of ours has.
    List<String> flaws() {
        List<String> flaws = new ArrayList<>();
        require(token, "CKA_TOKEN is false", flaws);
        require(privateObject, "CKA_PRIVATE is false", flaws);
        require(sensitive, "CKA_SENSITIVE is false", flaws);
        require(!extractable, "CKA_EXTRACTABLE is true", flaws);
        return flaws;
    }

    /// As [#flaws], for a key that was made in the token and has never been able to leave it.
    List<String> flawsOfGenerated() {
        List<String> flaws = flaws();
        require(alwaysSensitive, "CKA_ALWAYS_SENSITIVE is false", flaws);
        require(neverExtractable, "CKA_NEVER_EXTRACTABLE is false", flaws);
        return flaws;
    }

    private static void require(boolean kept, String otherwise, List<String> flaws) {
        if (!kept) {
            flaws.add(otherwise);
        }
    }

    /// The attributes as PKCS#11 names them.
    @Override
    public String toString() {
        return "CKA_PRIVATE %s, CKA_SENSITIVE %s, CKA_EXTRACTABLE %s, CKA_ALWAYS_SENSITIVE %s, CKA_NEVER_EXTRACTABLE %s"
                .formatted(privateObject, sensitive, extractable, alwaysSensitive, neverExtractable);
    }
}
