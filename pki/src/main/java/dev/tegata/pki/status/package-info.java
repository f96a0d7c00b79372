// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// What is said about certificates after they were issued: revocation lists (RFC 5280 §5) and OCSP (RFC
/// 6960).
@NullMarked
package dev.tegata.pki.status;

import org.jspecify.annotations.NullMarked;
