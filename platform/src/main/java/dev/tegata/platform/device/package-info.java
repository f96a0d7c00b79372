// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Devices: their states, their records, and what operators do to them.
@NullMarked
package dev.tegata.platform.device;

import org.jspecify.annotations.NullMarked;
