// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Virtual chips on TCP ports, for drivers in other languages and processes.
@NullMarked
package dev.tegata.chip.port;

import org.jspecify.annotations.NullMarked;
