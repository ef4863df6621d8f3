/** The JupyterLab extension of Pilothouse. */

export default [];
