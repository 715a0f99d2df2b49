import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: [fileURLToPath(new URL('suite.ts', import.meta.url))],
    globalSetup: [fileURLToPath(new URL('../../support/kafka-setup.ts', import.meta.url))],
  },
})
