// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// What is wrong, or will be, with the chains of authorities and devices, and what to do. Start at
/// `HealthRules`.
@NullMarked
package dev.tegata.platform.health;

import org.jspecify.annotations.NullMarked;
