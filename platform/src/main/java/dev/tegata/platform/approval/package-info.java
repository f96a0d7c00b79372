// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Two-person approval: what changes a tenant's trust is asked for by one API key and allowed by another.
@NullMarked
package dev.tegata.platform.approval;

import org.jspecify.annotations.NullMarked;
