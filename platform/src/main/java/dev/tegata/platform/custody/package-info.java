// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Custody: who owns a device, the signed chain that says so, and how ownership moves from one tenant
/// to another.
///
/// Nothing here spans two tenants in one transaction. [Transfers] is what people ask for, [Mover]
/// carries an accepted transfer out in steps that may be repeated, [CustodyLog] keeps and signs the
/// chains, [CustodyVerifier] checks an export with the file alone.
@NullMarked
package dev.tegata.platform.custody;

import org.jspecify.annotations.NullMarked;
