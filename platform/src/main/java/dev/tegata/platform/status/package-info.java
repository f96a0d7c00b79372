// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// What is said about certificates after they were issued: revocation lists, OCSP, and what keeps both
/// fresh.
@NullMarked
package dev.tegata.platform.status;

import org.jspecify.annotations.NullMarked;
