// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// JSON Web Signatures (RFC 7515) in compact form.
@NullMarked
package dev.tegata.attestation.jose;

import org.jspecify.annotations.NullMarked;
