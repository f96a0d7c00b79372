// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Metering: which devices count in which month, why, and months that are closed. Start at `Usage`.
@NullMarked
package dev.tegata.platform.metering;

import org.jspecify.annotations.NullMarked;
