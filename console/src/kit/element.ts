// The parts of Element Plus in use, each with its own style sheet; what is not named here is not shipped.
import "element-plus/theme-chalk/base.css";
import "element-plus/theme-chalk/el-dialog.css";
import "element-plus/theme-chalk/el-drawer.css";
import "element-plus/theme-chalk/el-input.css";
import "element-plus/theme-chalk/el-option.css";
import "element-plus/theme-chalk/el-overlay.css";
import "element-plus/theme-chalk/el-popper.css";
import "element-plus/theme-chalk/el-scrollbar.css";
import "element-plus/theme-chalk/el-select.css";
import "element-plus/theme-chalk/el-switch.css";
import "element-plus/theme-chalk/el-tag.css";
import "element-plus/theme-chalk/el-tooltip.css";

export { ElConfigProvider, ElDialog, ElDrawer, ElOption, ElSelect, ElSwitch, ElTooltip } from "element-plus";
