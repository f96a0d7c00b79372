// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// HTTP as the rest of the server sees it: blocking handlers on virtual threads behind listeners that bound everything
/// a
/// peer can do (bytes, time, connections, requests at once), one form of error, one TLS identity.
///
/// Vert.x and Netty stay inside this package.
@NullMarked
package dev.tegata.server.http;

import org.jspecify.annotations.NullMarked;
