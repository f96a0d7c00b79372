// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// What every feature of the domain shares: identifiers and the one taxonomy of errors.
@NullMarked
package dev.tegata.platform;

import org.jspecify.annotations.NullMarked;
