// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.appraisal;

import dev.tegata.pki.Bytes;

/// Evidence as it comes in: its media type tells its format.
public record Evidence(String mediaType, Bytes content) {
    public static final String PSA = "application/psa-attestation-token";
    public static final String PSA_2023 = "application/eat+cwt; eat_profile=\"tag:psacertified.org,2023:psa#tfm\"";
    public static final String PSA_LEGACY = "application/eat+cwt; eat_profile=\"tag:psacertified.org,2019:psa#legacy\"";
    public static final String PSA_2_0_0 = "application/eat-cwt; profile=\"http://arm.com/psa/2.0.0\"";
    public static final String EAT_CWT = "application/eat+cwt";
    public static final String EAT_JWT = "application/eat+jwt";
    public static final String EAT_BUNDLE_CBOR = "application/eat-bun+cbor";
    public static final String EAT_BUNDLE_JSON = "application/eat-bun+json";
    public static final String CMW_CBOR = "application/cmw+cbor";
    public static final String CMW_JSON = "application/cmw+json";
    public static final String DICE_CHAIN = "application/pem-certificate-chain";
}
