// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// ACME (RFC 8555) for the gateways of a fleet: what it may be used for, accounts, orders,
/// authorizations, nonces.
@NullMarked
package dev.tegata.platform.acme;

import org.jspecify.annotations.NullMarked;
