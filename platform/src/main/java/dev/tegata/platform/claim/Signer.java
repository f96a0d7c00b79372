// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.Validity;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import java.time.Instant;
import java.util.List;

/// Who signs manifests in Microchip's format.
///
/// @param thumbprint SHA-256 of its certificate, by which elements name it
/// @param keyId the certificate's subject key identifier; empty where it has none
record Signer(String name, Bytes thumbprint, Bytes keyId, Validity validity, PublicKeyInfo key) {
    /// The signers whose certificates Microchip has published. They are self-signed, so that knowing them is all the
    /// trust there is; numbers are enough for that.
    static final List<Signer> BUILT_IN = List.of(
            builtIn(
                    "Log Signer 001",
                    "4c4738e924f644317f00ebc1b680986bcdfc55620f7cd57fda34ea35ae23e51e",
                    "edc0882e500ec18a35f8f0a11aea3250848c2b78",
                    "2019-01-22T00:27:42Z",
                    "2019-07-22T00:27:42Z",
                    "4bbcfd9c91753bb837492ebbbe82475251e6fcf4e04b91a8be134313229d1894"
                            + "7371edab2dfc3ba1eb5e8daa98da32aced31776236a5f4215d662e2d3df93065"),
            builtIn(
                    "Log Signer 002",
                    "53d4ca9b0e1fde21b9e8e191f1857f35cc659340e51b41722fd6839707dbbf50",
                    "f1578a19dc94d9df307afebf5733493813aff9c0",
                    "2019-08-15T19:47:59Z",
                    "2020-08-15T19:47:59Z",
                    "b08bae03e54f739ece7b43f650b64a1c14865c74edf8aafd511327e213500c1b"
                            + "82b3e307f5e2f467212c833b170652506384a9103a2ad1f7d973294c61ca9820"),
            builtIn(
                    "Log Signer 003",
                    "30c7ca720e3ab2d1a0a3bace2d5ad5dafa3f54a09b7d2117addac35aa60a3188",
                    "85f0aca9563eb9035424d292f8b283fdc918fb51",
                    "2020-08-13T16:44:29Z",
                    "2023-08-13T16:44:29Z",
                    "e7906d0c37451f84b8ca48d650439ab9ad651e695f7ce39f3e7bc7da3a996b9d"
                            + "21180cb57b8eecf4b930e1a7ab3b7182b50aec44faf6e0234230b94f8ffbab65"),
            builtIn(
                    "Log Signer 004",
                    "d5f961e44082fdd2d198dd407aa1ccf5eb5f38cf5138ebc43845806984173a8f",
                    "8f111b5753dc648999586bf20230ebdd16b1cae5",
                    "2023-07-18T18:37:51Z",
                    "2026-07-18T18:37:51Z",
                    "04f188e7251a2a1398cff9443ea8e6ea33248dbea1820d9df7f6955c3733c4a7"
                            + "a47743a57eccb434b3ea5703ad91914ee8e5fc2928f5f2da6001ebaf91374d14"),
            builtIn(
                    "Manifest Signer 005",
                    "571d99841117e3afb34f28886045903fa785cc283dd2e8068e1e5ea4604ce0e3",
                    "4c29e99f3601f0cdc23bbefa0723c9db25f7298a",
                    "2024-03-07T01:32:28Z",
                    "9999-12-31T23:59:59Z",
                    "4caf1dd97d79a84655507aa81935d21249a342d06156e9f96885edb20d887c18"
                            + "8e06836dac627136149a1c5e81fab5ea730cdd66fc0b98dfb33046dc9223e498"));

    private static Signer builtIn(
            String name, String thumbprint, String keyId, String notBefore, String notAfter, String point) {
        try {
            return new Signer(
                    name,
                    Bytes.ofHex(thumbprint),
                    Bytes.ofHex(keyId),
                    new Validity(Instant.parse(notBefore), Instant.parse(notAfter)),
                    PublicKeyInfo.ofP256Point(
                            Bytes.ofHex(point.substring(0, 64)), Bytes.ofHex(point.substring(64, 128))));
        } catch (InvalidKeyInfoException e) {
            throw new IllegalStateException("the built-in signer " + name + " is mistyped", e);
        }
    }

    static Signer of(Certificate certificate) throws InvalidKeyInfoException {
        return new Signer(
                certificate.subject().toString(),
                certificate.fingerprint(),
                certificate.subjectKeyIdentifier().orElse(Bytes.EMPTY),
                certificate.validity(),
                certificate.publicKey());
    }
}
