// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// What happened, in one hash chain per tenant that cannot be changed unnoticed.
@NullMarked
package dev.tegata.platform.audit;

import org.jspecify.annotations.NullMarked;
