// Boot: theme before the first paint, then routes, texts and the live connection.
import { createApp } from "vue";
import App from "./App.vue";
import { i18n } from "./i18n";
import { noteFault } from "./kit/notices";
import { startLive } from "./live/live";
import { router } from "./router";
import { startTheme } from "./theme/theme";
import "./kit/element";
import "./theme/tokens.css";
import "./theme/element.css";
import "./theme/base.css";

startTheme();
const app = createApp(App);
app.config.errorHandler = (thrown) => noteFault(thrown);
app.use(i18n).use(router).mount("#app");
startLive();
