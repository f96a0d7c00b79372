// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// A small strict reader and writer of ASN.1 DER (ITU-T X.690) and of its textual form (RFC 7468).
@NullMarked
package dev.tegata.pki.der;

import org.jspecify.annotations.NullMarked;
