// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
@NullMarked
package dev.tegata.server.webhook;

import org.jspecify.annotations.NullMarked;
