// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.webhook;

import dev.tegata.pki.Bytes;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.time.Instant;
import java.util.Map;
import java.util.UUID;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/// The headers of a delivery: HMAC-SHA-256 over the time, a dot, and the body.
final class WebhookSignature {
    static final String HEADER = "Tegata-Signature";

    private WebhookSignature() {}

    /// @param secret as it was shown; its characters are the key
    static Map<String, String> headers(byte[] secret, UUID delivery, Instant now, byte[] body) {
        long time = now.getEpochSecond();
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(secret, "HmacSHA256"));
            mac.update((time + ".").getBytes(StandardCharsets.US_ASCII));
            return Map.of(
                    "Content-Type",
                    "application/cloudevents+json; charset=utf-8",
                    HEADER,
                    "t=" + time + ",d=" + delivery + ",v1="
                            + Bytes.of(mac.doFinal(body)).hex());
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has HMAC-SHA-256", e);
        }
    }
}
