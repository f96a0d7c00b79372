// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// ACME (RFC 8555) on the device port, per fleet, with external account binding.
@NullMarked
package dev.tegata.server.acme;

import org.jspecify.annotations.NullMarked;
