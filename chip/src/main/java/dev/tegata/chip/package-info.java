// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// The virtual secure element: an ECC608 at command level, in process.
@NullMarked
package dev.tegata.chip;

import org.jspecify.annotations.NullMarked;
