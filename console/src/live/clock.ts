// One second hand for the whole page: ages and countdowns read it instead of each having a timer.
import { ref } from "vue";

export const now = ref(Date.now());
setInterval(() => (now.value = Date.now()), 1_000);
