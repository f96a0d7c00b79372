// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Who acts, and what they may do: API keys, roles, the operator key of the installation.
@NullMarked
package dev.tegata.platform.access;

import org.jspecify.annotations.NullMarked;
