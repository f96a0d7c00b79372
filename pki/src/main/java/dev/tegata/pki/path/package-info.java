// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Whether a certificate leads to a trust anchor (RFC 5280 §6), decided within a bounded amount of work.
@NullMarked
package dev.tegata.pki.path;

import org.jspecify.annotations.NullMarked;
