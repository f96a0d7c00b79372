// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.webhook;

import java.net.URI;
import java.time.Duration;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Carries what is delivered to where it goes: webhooks themselves know no network.
public interface Messenger {
    /// Checks an address before it becomes a webhook's.
    ///
    /// @throws dev.tegata.platform.RefusedException where nothing is carried there
    void requireAcceptable(URI target);

    /// Posts `body`. Whatever goes wrong is an answer too; it comes within bounded time.
    Answer post(URI target, Map<String, String> headers, byte[] body);

    /// What came back.
    ///
    /// @param status 0 where nothing did
    /// @param problem a sentence for a person where it is no success
    /// @param retryAfter what the receiver asked for
    record Answer(
            int status, @Nullable String problem, @Nullable Duration retryAfter) {
        private static final int GONE = 410;

        /// No answer.
        public static Answer none(String problem) {
            return new Answer(0, problem, null);
        }

        public boolean isSuccess() {
            return status >= 200 && status < 300;
        }

        /// Whether the receiver wants no more, ever.
        boolean isGone() {
            return status == GONE;
        }
    }
}
