// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.verify;

import dev.tegata.attestation.result.EarProfile;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.appraisal.Appraised;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// The form in which a client wants a result, by its `Accept` (RFC 9110 §12.5.1): the first that is
/// known here.
public enum ResultForm {
    /// A description in JSON, with the result as a JWT in it.
    DESCRIBED,
    JWT,
    /// A JWT of the profile that came before the draft.
    JWT_2023,
    CWT;

    private static final String PROFILE_2023 = EarProfile.VERAISON_2023.uri();

    /// @throws RefusedException where none is known here
    public static ResultForm of(Request request) {
        String accept = request.header("Accept").orElse("*/*");
        for (String range : ranges(accept)) {
            String type = range.replaceFirst(";.*", "").strip().toLowerCase(Locale.ROOT);
            switch (type) {
                case "application/json", "application/*", "*/*" -> {
                    return DESCRIBED;
                }
                case "application/eat+jwt", "application/eat-jwt", "application/jwt" -> {
                    return range.contains(PROFILE_2023) ? JWT_2023 : JWT;
                }
                case "application/eat+cwt" -> {
                    return CWT;
                }
                default -> {
                    // The client may know another one.
                }
            }
        }
        throw new RefusedException(
                ErrorCode.NOT_ACCEPTABLE, "there are application/json, application/eat+jwt and application/eat+cwt");
    }

    /// The ranges of an `Accept`. The names of profiles have commas in them, and stand in quotes.
    private static List<String> ranges(String accept) {
        List<String> ranges = new ArrayList<>();
        boolean quoted = false;
        int start = 0;
        for (int i = 0; i < accept.length(); i++) {
            char c = accept.charAt(i);
            quoted ^= c == '"';
            if (c == ',' && !quoted) {
                ranges.add(accept.substring(start, i));
                start = i + 1;
            }
        }
        ranges.add(accept.substring(start));
        return ranges;
    }

    /// The profile of the JWT inside a session.
    static EarProfile sessionProfile(Request request) {
        return request.header("Accept")
                        .filter(accept -> accept.contains(PROFILE_2023))
                        .isPresent()
                ? EarProfile.VERAISON_2023
                : EarProfile.DRAFT_04;
    }

    /// The result alone, in this form.
    public Response answer(Appraised appraised) {
        return switch (this) {
            case DESCRIBED, JWT -> jwt(appraised, EarProfile.DRAFT_04);
            case JWT_2023 -> jwt(appraised, EarProfile.VERAISON_2023);
            case CWT ->
                Response.of(
                        200, EarProfile.DRAFT_04.cwtMediaType(), appraised.cwt().toArray());
        };
    }

    private static Response jwt(Appraised appraised, EarProfile profile) {
        return Response.text(200, profile.jwtMediaType(), appraised.jwt(profile));
    }
}
