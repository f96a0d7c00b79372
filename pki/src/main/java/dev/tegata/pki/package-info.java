// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Values that every part of the library shares.
@NullMarked
package dev.tegata.pki;

import org.jspecify.annotations.NullMarked;
