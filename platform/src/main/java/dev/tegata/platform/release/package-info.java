// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Firmware releases of a tenant's products: what they consist of, how far they are certified, and what is
/// known to be wrong with them. They act as endorsements of the tenant's own.
@NullMarked
package dev.tegata.platform.release;

import org.jspecify.annotations.NullMarked;
