// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// EST (RFC 7030, RFC 8951) on the device port.
@NullMarked
package dev.tegata.server.est;

import org.jspecify.annotations.NullMarked;
