// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Tenants: made in one step with their keys, authorities and first administrator.
@NullMarked
package dev.tegata.platform.tenant;

import org.jspecify.annotations.NullMarked;
