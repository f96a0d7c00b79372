// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.util.HashMap;
import java.util.Map;

/// Names of the mechanisms that a signing vault is judged by (PKCS#11 v3.2, pkcs11t.h).
final class MechanismNames {
    private static final Map<Long, String> NAMES = names("""
            0 RSA_PKCS_KEY_PAIR_GEN 1 RSA_PKCS 3 RSA_X_509 5 MD5_RSA_PKCS 6 SHA1_RSA_PKCS 9 RSA_PKCS_OAEP
            d RSA_PKCS_PSS e SHA1_RSA_PKCS_PSS f ML_KEM_KEY_PAIR_GEN 17 ML_KEM 1c ML_DSA_KEY_PAIR_GEN 1d ML_DSA
            1f HASH_ML_DSA 40 SHA256_RSA_PKCS 41 SHA384_RSA_PKCS 42 SHA512_RSA_PKCS 43 SHA256_RSA_PKCS_PSS
            44 SHA384_RSA_PKCS_PSS 45 SHA512_RSA_PKCS_PSS 220 SHA_1 250 SHA256 251 SHA256_HMAC 260 SHA384
            270 SHA512 350 GENERIC_SECRET_KEY_GEN 1040 EC_KEY_PAIR_GEN 1041 ECDSA 1042 ECDSA_SHA1 1044 ECDSA_SHA256
            1045 ECDSA_SHA384 1046 ECDSA_SHA512 1050 ECDH1_DERIVE 1051 ECDH1_COFACTOR_DERIVE
            1055 EC_EDWARDS_KEY_PAIR_GEN 1056 EC_MONTGOMERY_KEY_PAIR_GEN 1057 EDDSA 1080 AES_KEY_GEN 1081 AES_ECB
            1082 AES_CBC 1085 AES_CBC_PAD 1086 AES_CTR 1087 AES_GCM 1088 AES_CCM 108a AES_CMAC 2109 AES_KEY_WRAP
            210a AES_KEY_WRAP_PAD 210b AES_KEY_WRAP_KWP""");

    private MechanismNames() {}

    private static Map<Long, String> names(String table) {
        Map<Long, String> names = new HashMap<>();
        String[] words = table.strip().split("\\s+");
        for (int i = 0; i < words.length; i += 2) {
            names.put(Long.parseLong(words[i], 16), "CKM_" + words[i + 1]);
        }
        return names;
    }

    /// `CKM_ECDSA`, or the number in hexadecimal.
    static String of(long mechanism) {
        return NAMES.getOrDefault(mechanism, "0x" + Long.toHexString(mechanism));
    }
}
