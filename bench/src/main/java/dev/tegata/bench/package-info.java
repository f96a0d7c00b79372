// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// bench
@NullMarked
package dev.tegata.bench;

import org.jspecify.annotations.NullMarked;
