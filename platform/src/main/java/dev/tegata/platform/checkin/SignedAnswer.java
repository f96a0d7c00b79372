// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.checkin;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.order.OrderSigners.OrderSigner;
import dev.tegata.protocol.RelayedRefusal;
import java.time.Duration;
import java.time.Instant;

/// What a device is answered that came by way of a gateway: signed, whether it is a yes or a no.
///
/// @param status of HTTP
/// @param retryAfter zero where it is not said
public record SignedAnswer(int status, String contentType, Bytes message, Duration retryAfter) {
    private static final Duration BUSY = Duration.ofSeconds(5);

    static SignedAnswer yes(String contentType, Bytes message) {
        return new SignedAnswer(200, contentType, message, Duration.ZERO);
    }

    /// The no of a server that cannot answer at the moment.
    ///
    /// @param digest of the message that is to come again
    static SignedAnswer busy(Bytes digest, OrderSigner as, Instant now) {
        CheckInOutcome.Refused why = new CheckInOutcome.Refused(ErrorCode.UNAVAILABLE, "");
        return no(digest, why, BUSY, as, now);
    }

    /// @param digest of the message that is refused
    static SignedAnswer no(Bytes digest, CheckInOutcome.Refused why, Duration retryAfter, OrderSigner as, Instant now) {
        ErrorCode code = why.code();
        RelayedRefusal refusal = new RelayedRefusal(
                now, code.httpStatus(), code.code(), why.told(), Math.toIntExact(retryAfter.toSeconds()));
        return new SignedAnswer(
                code.httpStatus(),
                RelayedRefusal.CONTENT_TYPE,
                refusal.sign(digest, as.signer(), as.chain()),
                retryAfter);
    }
}
