// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.result;

import dev.tegata.attestation.MalformedException;

/// The profiles of the EAR.
public enum EarProfile {
    /// draft-ietf-rats-ear-04.
    DRAFT_04("tag:ietf.org,2026:rats/ear#04"),
    /// draft-ietf-rats-ear-03: read, not written.
    DRAFT_03("tag:ietf.org,2026:rats/ear#03"),
    /// The form that verifiers in the field gave before the draft; JSON only.
    VERAISON_2023("tag:github.com,2023:veraison/ear");

    private final String uri;

    EarProfile(String uri) {
        this.uri = uri;
    }

    public String uri() {
        return uri;
    }

    /// The media type of a JWT of this profile.
    public String jwtMediaType() {
        return "application/eat+jwt; eat_profile=\"" + uri + "\"";
    }

    /// The media type of a CWT of this profile.
    public String cwtMediaType() {
        return "application/eat+cwt; eat_profile=\"" + uri + "\"";
    }

    static EarProfile of(String uri) throws MalformedException {
        for (EarProfile profile : values()) {
            if (profile.uri.equals(uri)) {
                return profile;
            }
        }
        throw new MalformedException("the result is of the profile '" + uri + "', which is not known");
    }
}
