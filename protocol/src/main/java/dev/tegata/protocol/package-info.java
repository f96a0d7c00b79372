// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// What a device and the server say to each other: the check-in and its answer, and the signed orders in it.
///
/// Both sides use these types; neither knows the other. No HTTP, no database.
@NullMarked
package dev.tegata.protocol;

import org.jspecify.annotations.NullMarked;
