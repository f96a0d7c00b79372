// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// chip
@NullMarked
package dev.tegata.chip;

import org.jspecify.annotations.NullMarked;
