// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Fleets: devices of one product under one set of rules.
@NullMarked
package dev.tegata.platform.fleet;

import org.jspecify.annotations.NullMarked;
