// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import java.io.IOException;

/// Blocking code that answers one request, on a virtual thread of its own.
///
/// It says no by throwing [dev.tegata.platform.RefusedException] or [ProblemException]; anything else that it throws is
/// logged and answered without details.
@FunctionalInterface
public interface Handler {
    Response handle(Request request) throws IOException;
}
