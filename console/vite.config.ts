// Build and development server of the console. Pages live beside their leaf (crates/*/ui, apps/*/ui, drivers/*/ui),
// outside this folder, so bare imports from there are resolved as if they stood here.
import vue from "@vitejs/plugin-vue";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const SERVER = "http://127.0.0.1:8080";

/** Leaves have no node_modules of their own: every package comes from the console's lock file. */
function leafImports(): Plugin {
  const anchor = here("./src/main.ts");
  return {
    name: "sinew-leaf-imports",
    enforce: "pre",
    resolveId(source, importer, options) {
      const bare = /^[@a-z]/i.test(source) && !source.startsWith("@console");
      if (!bare || !importer || importer.startsWith(here("./"))) return null;
      return this.resolve(source, anchor, { ...options, skipSelf: true });
    },
  };
}

export default defineConfig({
  root: here("./"),
  base: "./",
  plugins: [leafImports(), vue()],
  resolve: { alias: { "@console": here("./src") } },
  define: { __VUE_OPTIONS_API__: "true", __VUE_PROD_DEVTOOLS__: "false", __INTLIFY_PROD_DEVTOOLS__: "false" },
  server: {
    port: 5173,
    fs: { allow: [here("../")] },
    proxy: { "/api": { target: SERVER, ws: true, changeOrigin: true } },
  },
  build: { outDir: "dist", emptyOutDir: true, target: "es2022", reportCompressedSize: true },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});
