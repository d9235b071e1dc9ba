"""OpenGL without a screen: meshes, textures, shaders, and what draws them."""
