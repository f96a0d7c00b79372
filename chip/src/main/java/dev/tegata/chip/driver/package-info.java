// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// The host's side: a typed driver for ECC608 chips, virtual or real, and the ways to reach them.
@NullMarked
package dev.tegata.chip.driver;

import org.jspecify.annotations.NullMarked;
